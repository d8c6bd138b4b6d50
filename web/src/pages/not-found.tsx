// What does one see at an address that leads nowhere?
import { Page } from "../shell/page";
import { EmptyState } from "../ui/notice";

export function NotFound() {
  return (
    <Page title="Not found">
      <EmptyState icon="search" title="There is nothing at this address">
        <p>It may have been deleted, or the address has a mistake.</p>
        <a class="button button-primary" href="/">
          Go to the library
        </a>
      </EmptyState>
    </Page>
  );
}
