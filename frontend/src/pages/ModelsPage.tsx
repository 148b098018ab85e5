import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function ModelsPage() {
  return (
    <Page title="Models">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
