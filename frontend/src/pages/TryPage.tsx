import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function TryPage() {
  return (
    <Page title="Try">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
