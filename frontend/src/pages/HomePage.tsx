import { $api } from "../api/client";
import { ButtonLink } from "../components/controls";
import { Page } from "../components/Page";
import { Answer, Empty, Skeleton } from "../components/states";
import { ActiveRuns } from "./home/ActiveRuns";
import { Attention } from "./home/Attention";
import { useLastVisit } from "./home/lastVisit";
import { RunTable } from "./home/RunTable";

export default function HomePage() {
  const visit = useLastVisit();
  const any = $api.useQuery("get", "/api/v1/runs", { params: { query: { limit: 1 } } }, { refetchInterval: 5_000 });
  return (
    <Page title="Runs" actions={<ButtonLink to="/new" kind="primary">New job</ButtonLink>}>
      <Answer query={any} loading={<Skeleton heights={[48, 320]} />}>
        {({ total }) =>
          total === 0 ? (
            <Empty
              title="No runs yet"
              action={<ButtonLink to="/new" kind="primary">Train on your images</ButtonLink>}
              command="automl-vision train --training-data FOLDER"
            >
              Choose a folder of labelled images and a time, and the best model that fits into it is searched.
            </Empty>
          ) : (
            <>
              <ActiveRuns />
              <Attention />
              <RunTable visit={visit} />
            </>
          )
        }
      </Answer>
    </Page>
  );
}
