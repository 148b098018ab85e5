import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function SettingsPage() {
  return (
    <Page title="Settings">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
