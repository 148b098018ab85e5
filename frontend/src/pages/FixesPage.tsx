import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function FixesPage() {
  return (
    <Page title="Fixes">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
