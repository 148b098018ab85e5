// The controls of every page: react-aria's behaviour for keyboard, touch and screen readers, with the studio's look.
// A page loads only those that it names.
export { Button, ButtonLink, type Kind } from "./Button";
export { Dialog } from "./Dialog";
export { DropDown } from "./DropDown";
export { Select } from "./Select";
export { type TabOf, Tabs } from "./Tabs";
export { Tag, type Tone } from "./Tag";
export { TextField } from "./TextField";
