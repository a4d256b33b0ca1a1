import type { ComponentChildren } from 'preact';

export function TopBar({ children }: { readonly children: ComponentChildren }) {
  return (
    <header class="top">
      <p class="product">soulcaster-backup</p>
      <div class="buttons">{children}</div>
    </header>
  );
}
