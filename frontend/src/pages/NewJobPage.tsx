import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function NewJobPage() {
  return (
    <Page title="New job">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
