// New data: by a path of the server or from the browser, then a quick look, then a name.
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { Button, Tabs } from "../../components/controls";
import { Section } from "../../components/Page";
import { Problem } from "../../components/states";
import { useWork, WorkProgress } from "../../components/Work";
import { ChoosePlace } from "./ChoosePlace";
import { QuickCheck } from "./QuickCheck";
import { AS_STATED } from "./ReadOtherwise";
import { UploadFiles } from "./UploadFiles";

type Source = Schemas["ImportRequest"];

export function AddData({ way, onWay, onClose }: {
  way: "path" | "upload";
  onWay: (way: string) => void;
  onClose: () => void;
}) {
  const [workId, setWorkId] = useState<string | null>(null);
  const [source, setSource] = useState<Source>(AS_STATED);
  const look = useMutation({
    mutationFn: async (source: Source) => {
      setSource(source);
      const { data } = await api.POST("/api/v1/imports", { body: source });
      return data?.id ?? null;
    },
    onSuccess: setWorkId,
  });
  const work = useWork(workId);
  const found = work.data?.state === "done" ? (work.data.result as Schemas["QuickCheck"]) : null;
  return (
    <Section title="Add data" aside={<Button kind="quiet" onPress={onClose}>Close</Button>}>
      {found === null && (
        <Tabs
          label="where the data are"
          shown={way}
          onShow={onWay}
          tabs={[
            { id: "path", title: "On this server", content: () => <ChoosePlace onChoose={(path) => look.mutate({ path, ...AS_STATED })} /> },
            {
              id: "upload",
              title: "From this browser",
              content: () => <UploadFiles onDone={(upload) => look.mutate({ upload, ...AS_STATED })} />,
            },
          ]}
        />
      )}
      {look.error !== null && <Problem error={look.error} />}
      {work.data !== undefined && <WorkProgress work={work.data} />}
      {found !== null && (
        <QuickCheck
          found={found}
          reading={source}
          onRead={(reading) => look.mutate({ ...source, ...reading })}
          onAgain={() => {
            setWorkId(null);
            look.reset();
          }}
        />
      )}
    </Section>
  );
}
