export * from "../../testing/nginx";
