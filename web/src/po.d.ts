declare module "*.po" {
  const catalogue: import("../po").Catalogue;
  export default catalogue;
}
