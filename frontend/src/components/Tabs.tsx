// Tabs as the WAI-ARIA patterns describe them; those of react-aria bring its collections, 20 kB more for each page.
import { type KeyboardEvent, type ReactNode, useId } from "react";
import styles from "./controls.module.css";

export interface TabOf {
  id: string;
  title: string;
  content: () => ReactNode;
}

/** Tabs of which the shown one is named in the address; the arrow keys, Home and End go from one to another. */
export function Tabs({ label, tabs, shown, onShow }: {
  label: string;
  tabs: TabOf[];
  shown: string;
  onShow: (id: string) => void;
}) {
  const base = useId();
  const at = Math.max(0, tabs.findIndex((tab) => tab.id === shown));
  const move = (event: KeyboardEvent<HTMLElement>) => {
    const to = { ArrowRight: (at + 1) % tabs.length, ArrowLeft: (at + tabs.length - 1) % tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    (event.currentTarget.children[to] as HTMLElement).focus();
    onShow(tabs[to]?.id ?? shown);
  };
  return (
    <div>
      <div role="tablist" aria-label={label} className={styles.tabList} onKeyDown={move}>
        {tabs.map((tab, i) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${base}-${tab.id}`}
            aria-selected={i === at}
            aria-controls={i === at ? `${base}-panel` : undefined}
            tabIndex={i === at ? 0 : -1}
            className={styles.tab}
            onClick={() => onShow(tab.id)}
          >
            {tab.title}
          </button>
        ))}
      </div>
      <div key={tabs[at]?.id} role="tabpanel" id={`${base}-panel`} aria-labelledby={`${base}-${tabs[at]?.id ?? ""}`} className={styles.panelOfTab}>
        {tabs[at]?.content()}
      </div>
    </div>
  );
}
