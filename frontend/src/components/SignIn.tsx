import { useState, type FormEvent } from "react";
import { $api, ApiError, queries } from "../api/client";
import { Button, TextField } from "./controls";
import { Page } from "./Page";

/** Where the studio wants its token: one field. */
export default function SignIn() {
  const [token, setToken] = useState("");
  const signIn = $api.useMutation("post", "/api/v1/session", { onSuccess: () => queries.invalidateQueries() });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate({ body: { token } });
  };
  const fault = signIn.error instanceof ApiError ? signIn.error.problem.detail : undefined;
  return (
    <Page title="Sign in">
      <form onSubmit={submit} className="panel stack" style={{ maxWidth: 420 }}>
        <input type="text" autoComplete="username" value="studio" readOnly hidden />
        <TextField
          label="Token"
          type="password"
          autoComplete="current-password"
          value={token}
          onChange={setToken}
          hint="The studio printed it when it started."
          fault={fault}
          autoFocus
        />
        <div>
          <Button type="submit" kind="primary" isDisabled={token === "" || signIn.isPending}>
            Sign in
          </Button>
        </div>
      </form>
    </Page>
  );
}
