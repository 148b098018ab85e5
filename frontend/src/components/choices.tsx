// Choices that show all of what there is: one of several side by side, flags, and a part of a page that unfolds.
import type { ReactNode } from "react";
import {
  Button as AriaButton,
  Checkbox as AriaCheckbox,
  Disclosure,
  DisclosurePanel,
  Heading,
  Label,
  Radio,
  RadioGroup,
} from "react-aria-components";
import controls from "./controls.module.css";
import styles from "./choices.module.css";

export interface Choice {
  id: string;
  title: string;
}

/** One of a few, side by side; the arrow keys move the choice. */
export function Choices({ label, options, value, onChange, hint }: {
  label: string;
  options: Choice[];
  value: string | null;
  onChange: (id: string) => void;
  hint?: ReactNode;
}) {
  return (
    <RadioGroup className={controls.field ?? ""} value={value} onChange={onChange} orientation="horizontal">
      <Label className={controls.label ?? ""}>{label}</Label>
      <div className={styles.choices}>
        {options.map((option) => (
          <Radio key={option.id} value={option.id} className={styles.choice ?? ""}>
            {option.title}
          </Radio>
        ))}
      </div>
      {hint !== undefined && <span className={controls.hint}>{hint}</span>}
    </RadioGroup>
  );
}

/** A flag. */
export function Checkbox({ isSelected, onChange, children, label }: {
  isSelected: boolean;
  onChange: (selected: boolean) => void;
  children?: ReactNode;
  label?: string;
}) {
  return (
    <AriaCheckbox
      className={styles.checkbox ?? ""}
      isSelected={isSelected}
      onChange={onChange}
      {...(label === undefined ? {} : { "aria-label": label })}
    >
      <span className={styles.mark} aria-hidden>
        {isSelected ? "✓" : ""}
      </span>
      {children}
    </AriaCheckbox>
  );
}

/** A part of a page that is folded until it is wanted. */
export function Fold({ title, isOpen, onToggle, aside, children }: {
  title: string;
  isOpen: boolean;
  onToggle: (open: boolean) => void;
  aside?: ReactNode;
  children: ReactNode;
}) {
  return (
    <Disclosure isExpanded={isOpen} onExpandedChange={onToggle} className={styles.fold ?? ""}>
      <div className="line spread">
        <Heading level={2}>
          <AriaButton slot="trigger" className={styles.trigger ?? ""}>
            <span aria-hidden className={styles.arrow} data-open={isOpen}>
              ▸
            </span>
            {title}
          </AriaButton>
        </Heading>
        {aside}
      </div>
      <DisclosurePanel>{isOpen && <div className={styles.folded}>{children}</div>}</DisclosurePanel>
    </Disclosure>
  );
}
