import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function ModelPage() {
  return (
    <Page title="Model">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
