// The pages and their addresses; what a page shows is in its address, so that a link shows the same to others.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { ROOT } from "./api/client";
import { Shell } from "./components/Shell";
import { Page } from "./components/Page";
import { Empty, Problem, Skeleton } from "./components/states";

/** The part of an address after the question mark; pages add their own fields and read them with `useSearch`. */
export interface Search {
  workspace?: string | undefined;
  tab?: string | undefined;
  [name: string]: string | number | boolean | undefined;
}

const root = createRootRoute({
  component: Shell,
  validateSearch: (search: Record<string, unknown>): Search => search as Search,
  search: {
    middlewares: [
      ({ search, next }) => {
        const result = next(search);
        return search.workspace === undefined ? result : { ...result, workspace: result.workspace ?? search.workspace };
      },
    ],
  },
});

type PageModule = Promise<{ default: () => React.ReactNode }>;

const page = <P extends string>(path: P, load: () => PageModule) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(() => patiently(load)) });

const AGAIN = 1_000; // milliseconds

/** Load the code of a page; while the server is gone, wait for it instead of losing the app to the browser's own error page. */
async function patiently(load: () => PageModule): PageModule {
  try {
    return await load();
  } catch (error) {
    if (await answers()) throw error;
    do await new Promise((resolve) => window.setTimeout(resolve, AGAIN));
    while (!(await answers()));
    if (router.state.status !== "pending") throw error; // the page was only likely to be wanted
    window.location.reload(); // a style sheet that failed once is not asked for again
    return new Promise(() => undefined);
  }
}

async function answers(): Promise<boolean> {
  return fetch(ROOT, { cache: "no-store" }).then(({ ok }) => ok, () => false);
}

const tree = root.addChildren([
  page("/", () => import("./pages/HomePage")),
  page("/runs/$runId", () => import("./pages/RunPage")),
  page("/runs/$runId/compare", () => import("./pages/ComparePage")),
  page("/runs/$runId/trials/$trial", () => import("./pages/TrialPage")),
  page("/runs/$runId/trials/$trial/mistakes", () => import("./pages/MistakesPage")),
  page("/data", () => import("./pages/DataPage")),
  page("/data/$name/$version", () => import("./pages/VersionPage")),
  page("/data/$name/$version/fixes", () => import("./pages/FixesPage")),
  page("/data/$name/$version/edit", () => import("./pages/EditImagePage")),
  page("/data/$name/$version/edits", () => import("./pages/EditsPage")),
  page("/models", () => import("./pages/ModelsPage")),
  page("/models/$name/$version", () => import("./pages/ModelPage")),
  page("/endpoints", () => import("./pages/EndpointsPage")),
  page("/try", () => import("./pages/TryPage")),
  page("/new", () => import("./pages/NewJobPage")),
  page("/activity", () => import("./pages/ActivityPage")),
  page("/settings", () => import("./pages/SettingsPage")),
  page("/api/v1/docs", () => import("./pages/settings/ApiPage")),
]);

export const router = createRouter({
  routeTree: tree,
  basepath: ROOT.replace(/\/$/, "") || "/",
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultPendingMs: 150,
  defaultPendingComponent: () => <Skeleton />,
  defaultErrorComponent: ({ error, reset }) => <Problem error={error} onRetry={reset} />,
  defaultNotFoundComponent: () => (
    <Page title="There is no such page">
      <Empty title="The address leads nowhere">Choose a page from the top.</Empty>
    </Page>
  ),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
