// What does one see where a page did not come: the connection was lost, or a newer version has taken its place?
import { Page } from "../shell/page";
import { Button } from "../ui/button";
import { EmptyState } from "../ui/notice";

export default function NotLoaded() {
  return (
    <Page title="Not loaded">
      <EmptyState icon="alert" title="This page did not arrive">
        <p>The connection was lost on the way, or there is a newer version of it.</p>
        <Button look="primary" onClick={() => location.reload()}>
          Load it again
        </Button>
      </EmptyState>
    </Page>
  );
}
