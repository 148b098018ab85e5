import {
  Button as AriaButton,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Select as AriaSelect,
  SelectValue,
  Text,
} from "react-aria-components";
import styles from "./controls.module.css";

/** A choice of one of several. */
export function Select({ label, options, value, onChange, hint }: {
  label: string;
  options: { id: string; title: string }[];
  value: string | null;
  onChange: (id: string) => void;
  hint?: string;
}) {
  return (
    <AriaSelect
      className={styles.field ?? ""}
      value={value}
      onChange={(key) => {
        if (key !== null) onChange(String(key));
      }}
    >
      <Label className={styles.label ?? ""}>{label}</Label>
      <AriaButton className={`${styles.select} line spread`}>
        <SelectValue />
        <span aria-hidden>▾</span>
      </AriaButton>
      {hint !== undefined && (
        <Text slot="description" className={styles.hint ?? ""}>
          {hint}
        </Text>
      )}
      <Popover className={styles.popover ?? ""}>
        <ListBox>
          {options.map((option) => (
            <ListBoxItem key={option.id} id={option.id} className={styles.item ?? ""}>
              {option.title}
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}
