// Buttons, and links that look like them.
import { Link as RouterLink, type LinkProps } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Button as AriaButton, type ButtonProps } from "react-aria-components";
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
