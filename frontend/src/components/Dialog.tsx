import { lazy, type ReactNode, Suspense } from "react";

export interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
}

const OpenDialog = lazy(() => import("./OpenDialog"));

/** A dialog over the page, loaded when it is first opened; Escape and a click beside it close it. */
export function Dialog({ isOpen, ...props }: DialogProps) {
  return isOpen && <Suspense fallback={null}><OpenDialog {...props} /></Suspense>;
}
