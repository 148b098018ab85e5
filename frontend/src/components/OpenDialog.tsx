import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import styles from "./controls.module.css";
import type { DialogProps } from "./Dialog";

export default function OpenDialog({ title, onClose, children }: Omit<DialogProps, "isOpen">) {
  return (
    <ModalOverlay className={styles.overlay ?? ""} isOpen onOpenChange={(open) => !open && onClose()} isDismissable>
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
