import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries } from "./api/client";
import "virtual:look.css";
import "./look/base.css";
import "./look/theme";
import { router } from "./router";

const place = document.getElementById("root");
if (place === null) throw new Error("index.html has no element for the app");
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
