import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function ActivityPage() {
  return (
    <Page title="Activity">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
