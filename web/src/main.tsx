// Where does it begin?
import { render } from "preact";
import "./ui/tokens.css";
import "./ui/base.css";
import { App } from "./app";
import { start } from "./session/session";

const root = document.getElementById("app");
if (root) render(<App />, root);
void start();
