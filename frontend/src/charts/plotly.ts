// Plotly and the look come with the Python package, so that notebook, report and studio draw the same figures.
import look from "../../../src/automl_vision/charts/look.json";
import { ROOT } from "../api/client";
import type { Theme } from "../look/theme";

export interface FigureJson {
  data: Record<string, unknown>[];
  layout: Record<string, unknown>;
}

/** A point of a figure: where it stands, and what it and its series carry. */
export interface Mark {
  x: unknown;
  data: unknown;
  series: Record<string, unknown>;
}

interface ChartClick {
  points: { x?: unknown; customdata?: unknown; data?: { meta?: Record<string, unknown> } }[];
}

interface PlotElement extends HTMLElement {
  on?: (event: "plotly_click", listener: (click: ChartClick) => void) => void;
}

interface Plotly {
  react: (element: HTMLElement, data: unknown, layout: unknown, config: unknown) => Promise<PlotElement>;
  purge: (element: HTMLElement) => void;
}

declare global {
  interface Window {
    Plotly?: Plotly;
    dress?: (figure: FigureJson, look: unknown, mode: Theme) => FigureJson;
  }
}

let loading: Promise<void> | undefined;

function script(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = `${ROOT}charts/${name}`;
    element.onload = () => resolve();
    element.onerror = () => {
      loading = undefined;
      reject(new Error(`the script ${element.src} cannot be loaded`));
    };
    document.head.append(element);
  });
}

/** Draw a figure into an element with the colours of a theme. */
export async function draw(element: HTMLElement, figure: FigureJson, theme: Theme, onClick?: (mark: Mark) => void) {
  loading ??= Promise.all([script("plotly.js"), script("dress.js")]).then(() => undefined);
  await loading;
  if (!element.isConnected) return;
  const dressed = window.dress?.(structuredClone(figure), look, theme) ?? figure;
  const layout = { ...dressed.layout, autosize: true, width: undefined };
  const plot = await window.Plotly?.react(element, dressed.data, layout, { responsive: true, displayModeBar: false });
  plot?.on?.("plotly_click", ({ points: [point] }) => {
    if (point !== undefined) onClick?.({ x: point.x, data: point.customdata, series: point.data?.meta ?? {} });
  });
}

/** Remove a figure from its element. */
export function remove(element: HTMLElement) {
  window.Plotly?.purge(element);
}
