// Who edits, and why: remembered in this browser, for most people fix many labels for one reason.
import { useState } from "react";

function useRemembered(key: string, first: (kept: string | null) => string): [string, (text: string) => void] {
  const [text, setText] = useState(() => first(window.localStorage.getItem(key)));
  const change = (next: string) => {
    setText(next);
    window.localStorage.setItem(key, next);
  };
  return [text, change];
}

/** The name that stands with each edit; `account` is suggested to who has not given one. */
export const usePerson = (account: string) => useRemembered("automl-vision-person", (kept) => kept ?? account);

/** The reason that stands with the next edits of a version; `why` is what led here, or else it is the last one. */
export const useReason = (version: string, why: string) => useRemembered(`automl-vision-reason:${version}`, (kept) => why || (kept ?? ""));
