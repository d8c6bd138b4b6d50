// Which types does the small build of hls.js have? Those of the large one.
declare module "hls.js/light" {
  export { default } from "hls.js";
}
