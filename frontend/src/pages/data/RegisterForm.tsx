import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { api, queries } from "../../api/client";
import { Button, TextField } from "../../components/controls";
import { Problem } from "../../components/states";

/** Gives data that were looked at a name, and shows them under it. */
export function RegisterForm({ source, suggested, isDisabled = false, children }: {
  source: string;
  suggested: string;
  isDisabled?: boolean;
  children?: ReactNode;
}) {
  const [name, setName] = useState(suggested);
  const navigate = useNavigate();
  const register = useMutation({
    mutationFn: async () => (await api.POST("/api/v1/datasets", { body: { source, name, description: "", split_ratio: 0.2 } })).data,
    onSuccess: (made) => {
      void queries.invalidateQueries();
      if (made) void navigate({ to: "/data/$name/$version", params: { name: made.name, version: String(made.number) } });
    },
  });
  return (
    <>
      <form
        className="line"
        style={{ alignItems: "end" }}
        onSubmit={(event) => {
          event.preventDefault();
          register.mutate();
        }}
      >
        <TextField label="Name" value={name} onChange={setName} maxLength={60} isRequired />
        <Button kind="primary" type="submit" isDisabled={register.isPending || isDisabled}>
          Register
        </Button>
        {children}
      </form>
      {register.error !== null && <Problem error={register.error} />}
    </>
  );
}
