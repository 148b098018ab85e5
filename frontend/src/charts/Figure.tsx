import { useEffect, useRef, useState } from "react";
import { Problem, Skeleton } from "../components/states";
import { useTheme } from "../look/theme";
import { draw, remove, type FigureJson, type Mark } from "./plotly";
import styles from "./Figure.module.css";

/** The sentence that says what a figure shows. */
function summaryOf(figure: FigureJson): string {
  const meta = figure.layout.meta as { summary?: string } | undefined;
  return meta?.summary ?? "";
}

/** A figure of the API, with its summary for those who do not see it. */
export function Figure({ figure, label, onClick }: {
  figure: FigureJson;
  label: string;
  onClick?: (mark: Mark) => void;
}) {
  const element = useRef<HTMLDivElement>(null);
  const theme = useTheme();
  const [fault, setFault] = useState<unknown>();
  const [drawn, setDrawn] = useState(false);
  useEffect(() => {
    const place = element.current;
    if (place === null) return;
    draw(place, figure, theme, onClick).then(() => setDrawn(true), setFault);
    return () => remove(place);
  }, [figure, theme, onClick]);
  const height = typeof figure.layout.height === "number" ? figure.layout.height : 360;
  return (
    <figure className={styles.figure} aria-label={label}>
      {fault !== undefined && <Problem error={fault} />}
      {!drawn && fault === undefined && <Skeleton heights={[height]} />}
      <div ref={element} className={styles.plot} style={{ minHeight: drawn ? height : 0 }} role="img" aria-label={`${label}. ${summaryOf(figure)}`} />
      {summaryOf(figure) !== "" && <figcaption className="muted small">{summaryOf(figure)}</figcaption>}
    </figure>
  );
}
