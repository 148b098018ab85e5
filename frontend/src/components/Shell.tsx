// What surrounds every page: where one can go, which workspace is shown, and whether the server answers.
import { Link, Outlet, useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useEffect } from "react";
import { $api, ApiError, queries } from "../api/client";
import { setPreference, usePreference, type Preference } from "../look/theme";
import styles from "./Shell.module.css";
import { StaleBanner } from "./states";

const PLACES = [
  { to: "/", title: "Runs" },
  { to: "/data", title: "Data" },
  { to: "/models", title: "Models" },
  { to: "/endpoints", title: "Endpoints" },
  { to: "/try", title: "Try" },
  { to: "/activity", title: "Activity" },
  { to: "/settings", title: "Settings" },
] as const;

const SignIn = lazy(() => import("./SignIn"));

export function Shell() {
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#content">
        Skip to the content
      </a>
      <header className={styles.bar}>
        <Link to="/" className={styles.name}>
          <Mark /> AutoML Vision
        </Link>
        <nav className={styles.nav} aria-label="pages">
          {PLACES.map(({ to, title }) => (
            <Link key={to} to={to} className={styles.place} activeOptions={{ exact: to === "/" }} activeProps={{ "aria-current": "page" }}>
              {title}
            </Link>
          ))}
        </nav>
        <div className={styles.right}>
          <WorkspaceChoice />
          <ThemeChoice />
          <Link to="/new" className={styles.new}>
            New job
          </Link>
        </div>
      </header>
      <StaleBanner since={useSilence()} />
      <main id="content" className={styles.main} tabIndex={-1}>
        <Guarded />
      </main>
    </div>
  );
}

/** The page, or the sign-in where the studio wants its token. */
function Guarded() {
  const session = $api.useQuery("get", "/api/v1/session", {}, { staleTime: 60_000 });
  if (session.data !== undefined && !session.data.signed_in) return <Suspense fallback={null}><SignIn /></Suspense>;
  return <Outlet />;
}

function Mark() {
  return (
    <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <path d="M7 22 13 9l6 13M9.3 17h7.4" fill="none" stroke="var(--on-accent)" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" />
      <circle cx="24" cy="20" r="3.2" fill="var(--on-accent)" />
    </svg>
  );
}

/** When the server answered last, if it does not answer now. */
function useSilence(): number | null {
  const system = $api.useQuery("get", "/api/v1/system", {}, { refetchInterval: 5_000, retry: false });
  const silent = system.isError && !(system.error instanceof ApiError);
  useEffect(() => {
    if (!silent) void queries.invalidateQueries({ predicate: (query) => query.state.status === "error" });
  }, [silent]);
  return silent ? system.dataUpdatedAt || performance.timeOrigin : null;
}

function WorkspaceChoice() {
  const { data } = $api.useQuery("get", "/api/v1/system");
  const { workspace } = useSearch({ strict: false });
  const navigate = useNavigate();
  if (data === undefined || data.workspaces.length < 2) return null;
  return (
    <label className={styles.choice}>
      <span className="hidden-text">workspace</span>
      <select
        value={typeof workspace === "string" ? workspace : data.workspaces[0]?.name}
        onChange={(event) => {
          queries.clear();
          void navigate({ to: "/", search: { workspace: event.target.value } });
        }}
      >
        {data.workspaces.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

function ThemeChoice() {
  const preference = usePreference();
  return (
    <label className={styles.choice}>
      <span className="hidden-text">colours</span>
      <select value={preference} onChange={(event) => setPreference(event.target.value as Preference)}>
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}
