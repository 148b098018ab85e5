import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { useState } from "react";
import { afterEach, expect, test } from "vitest";
import { Tabs } from "./Tabs";

afterEach(cleanup);

const TABS = ["board", "log", "settings"].map((id) => ({ id, title: id, content: () => `the ${id}` }));

function Shown({ first }: { first: string }) {
  const [shown, show] = useState(first);
  return <Tabs label="parts" tabs={TABS} shown={shown} onShow={show} />;
}

const selected = () => screen.getAllByRole("tab").filter((tab) => tab.getAttribute("aria-selected") === "true");

test.each([
  ["board", "ArrowRight", "log"],
  ["board", "ArrowLeft", "settings"],
  ["settings", "ArrowRight", "board"],
  ["log", "Home", "board"],
  ["log", "End", "settings"],
  ["log", "x", "log"],
])("from %s the key %s leads to %s", (first, key, then) => {
  render(<Shown first={first} />);
  const before = selected()[0] as HTMLElement;
  before.focus();
  fireEvent.keyDown(before, { key });
  expect(selected().map((tab) => tab.textContent)).toEqual([then]);
  expect(document.activeElement).toBe(selected()[0]);
  expect(screen.getByRole("tabpanel", { name: then }).textContent).toBe(`the ${then}`);
});

test("a click shows a tab, only the shown one is reached by the Tab key, and an unknown one is the first", () => {
  render(<Shown first="nothing" />);
  expect(screen.getByRole("tabpanel").textContent).toBe("the board");
  fireEvent.click(screen.getByRole("tab", { name: "log" }));
  expect(screen.getByRole("tabpanel").textContent).toBe("the log");
  expect(screen.getAllByRole("tab").map((tab) => tab.tabIndex)).toEqual([-1, 0, -1]);
});
