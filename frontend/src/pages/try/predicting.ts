// Requests with a photo as their body, and the same requests for a terminal and for Python.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, ROOT, type Schemas } from "../../api/client";

export type ImagePrediction = Schemas["ImagePrediction"];

/** A photo that is tried; its address lives as long as it is shown. */
export interface Photo {
  blob: Blob;
  name: string;
  url: string;
  number: number;
}

let photos = 0;

export function photoOf(blob: Blob, name: string): Photo {
  photos += 1;
  return { blob, name, url: URL.createObjectURL(blob), number: photos };
}

/** How a photo is sent: as it is. */
export const asBody = (blob: Blob) => ({
  body: blob as unknown as string,
  bodySerializer: (body: unknown) => body as BodyInit,
  headers: { "Content-Type": blob.type === "" ? "application/octet-stream" : blob.type },
});

export async function predict(photo: Photo, model: string, errorRate: number | null): Promise<ImagePrediction> {
  const query = errorRate === null ? { model } : { model, error_rate: errorRate };
  const answer = await api.POST("/api/v1/predictions", { params: { query }, ...asBody(photo.blob) });
  return answer.data as ImagePrediction;
}

/** What a model says of a photo. */
export function usePrediction(photo: Photo, model: string, errorRate: number | null) {
  return useQuery({
    queryKey: ["prediction", photo.number, model, errorRate],
    queryFn: () => predict(photo, model, errorRate),
    staleTime: Infinity,
    gcTime: 60_000,
    retry: false,
    refetchOnWindowFocus: false,
  });
}

/** Show a photo that is pasted anywhere in the page. */
export function usePaste(onPhoto: (blob: Blob, name: string) => void) {
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (file !== undefined) onPhoto(file, file.name);
    };
    window.addEventListener("paste", paste);
    return () => window.removeEventListener("paste", paste);
  });
}

const address = (model: string, errorRate: number | null) => {
  const query = new URLSearchParams({ model });
  if (errorRate !== null) query.set("error_rate", String(errorRate));
  return `${new URL(ROOT, window.location.href).href}api/v1/predictions?${query.toString()}`;
};

export function curlOf(model: string, errorRate: number | null): string {
  return `curl -X POST -H 'X-Studio: 1' -H 'Content-Type: image/jpeg' --data-binary @photo.jpg '${address(model, errorRate)}'`;
}

export function pythonOf(model: string, errorRate: number | null): string {
  const rate = errorRate === null ? "" : `, error_rate=${errorRate}`;
  const folder = /[:@]/.test(model) ? `workspace.models.resolve("${model}")` : `automl_vision.Run(workspace, "${model}").model_path`;
  return `import automl_vision
from automl_vision.serving.predictor import Predictor

workspace = automl_vision.Workspace()
predictor = Predictor(${folder}${rate})
(prediction,) = predictor("photo.jpg")
print(prediction.label, prediction.to_json())`;
}

/** A value that follows another after a pause, so that a slider does not ask for each step. */
export function useLater<T>(value: T, milliseconds: number): T {
  const [later, setLater] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setLater(value), milliseconds);
    return () => window.clearTimeout(timer);
  }, [value, milliseconds]);
  return later;
}
