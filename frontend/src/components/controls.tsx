// The controls of every page: react-aria's behaviour for keyboard, touch and screen readers, with the studio's look.
import { Link as RouterLink, type LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import {
  Button as AriaButton,
  type ButtonProps,
  Dialog as AriaDialog,
  FieldError,
  Heading,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Modal,
  ModalOverlay,
  Popover,
  Select as AriaSelect,
  SelectValue,
  Tab,
  TabList,
  TabPanel,
  Tabs as AriaTabs,
  Text,
  TextField as AriaTextField,
  type TextFieldProps,
} from "react-aria-components";
import styles from "./controls.module.css";

export type Kind = "plain" | "primary" | "quiet" | "danger";

function buttonClass(kind: Kind): string {
  const more = { plain: "", primary: styles.primary, quiet: styles.quiet, danger: styles.danger }[kind];
  return `${styles.button} ${more ?? ""}`;
}

export function Button({ kind = "plain", ...props }: ButtonProps & { kind?: Kind }) {
  return <AriaButton {...props} className={buttonClass(kind)} />;
}

/** A link to a page of the studio that looks like a button. */
export function ButtonLink({ kind = "plain", ...props }: LinkProps & { kind?: Kind; children?: ReactNode }) {
  return <RouterLink {...props} className={buttonClass(kind)} />;
}

export type Tone = "good" | "warning" | "error" | "busy" | "plain";

/** A short word with a mark whose shape and colour say how things stand. */
export function Tag({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={styles.tag} data-tone={tone}>
      {children}
    </span>
  );
}

export interface TabOf {
  id: string;
  title: string;
  content: () => ReactNode;
}

/** Tabs of which the shown one is named in the address. */
export function Tabs({ label, tabs, shown, onShow }: {
  label: string;
  tabs: TabOf[];
  shown: string;
  onShow: (id: string) => void;
}) {
  return (
    <AriaTabs selectedKey={shown} onSelectionChange={(key) => onShow(String(key))}>
      <TabList aria-label={label} className={styles.tabList ?? ""}>
        {tabs.map((tab) => (
          <Tab key={tab.id} id={tab.id} className={styles.tab ?? ""}>
            {tab.title}
          </Tab>
        ))}
      </TabList>
      {tabs.map((tab) => (
        <TabPanel key={tab.id} id={tab.id} className={styles.panelOfTab ?? ""}>
          {tab.content()}
        </TabPanel>
      ))}
    </AriaTabs>
  );
}

/** A dialog over the page; Escape and a click beside it close it. */
export function Dialog({ title, isOpen, onClose, children }: {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
}) {
  return (
    <ModalOverlay className={styles.overlay ?? ""} isOpen={isOpen} onOpenChange={(open) => !open && onClose()} isDismissable>
      <Modal>
        <AriaDialog className={styles.dialog ?? ""}>
          <div className="stack">
            <Heading slot="title">{title}</Heading>
            {children}
          </div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

/** A text field with its label, a hint and what is wrong with it. */
export function TextField({ label, hint, fault, placeholder, ...props }: TextFieldProps & {
  label: string;
  hint?: string | undefined;
  fault?: string | undefined;
  placeholder?: string;
}) {
  return (
    <AriaTextField {...props} className={styles.field ?? ""} isInvalid={fault !== undefined} validationBehavior="aria">
      <Label className={styles.label ?? ""}>{label}</Label>
      <Input className={styles.input ?? ""} {...(placeholder === undefined ? {} : { placeholder })} />
      {hint !== undefined && (
        <Text slot="description" className={styles.hint ?? ""}>
          {hint}
        </Text>
      )}
      <FieldError className={styles.fault ?? ""}>{fault}</FieldError>
    </AriaTextField>
  );
}

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
