export * from "../../testing/wait-for";
