import { FieldError, Input, Label, Text, TextField as AriaTextField, type TextFieldProps } from "react-aria-components";
import styles from "./controls.module.css";

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
