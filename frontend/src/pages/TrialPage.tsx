import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function TrialPage() {
  return (
    <Page title="Trial">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
