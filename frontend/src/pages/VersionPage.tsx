import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function VersionPage() {
  return (
    <Page title="Dataset version">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
