import { Page } from "../components/Page";
import { Empty } from "../components/states";

export default function DataPage() {
  return (
    <Page title="Data">
      <Empty title="This page is not here yet" />
    </Page>
  );
}
