import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function ComparePage() {
  return (
    <Page title="Compare">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
