export * from "../../testing/checked-load";
