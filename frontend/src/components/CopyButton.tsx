import { useState } from "react";
import { Button } from "./controls";

/** Copies a text, and says that it did. */
export function CopyButton({ text, title = "Copy" }: { text: string; title?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    window.setTimeout(() => setDone(false), 1500);
  };
  return (
    <Button kind="quiet" onPress={() => void copy()} aria-label={done ? "Copied" : title}>
      {done ? "Copied" : title}
    </Button>
  );
}
