import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function MistakesPage() {
  return (
    <Page title="Mistakes">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
