import { useCallback, useId, useState } from 'preact/hooks';
import type { ListedKey } from '../api/types.js';
import { Fed } from '../parts/panel.js';
import { keyName } from '../parts/plan-summary.js';
import { Table } from '../parts/table.js';
import { useDesk } from '../state/desk.js';
import { go } from '../state/route.js';
import { useFeed } from '../state/use-feed.js';
import { changed } from '../words/address.js';
import { bytes, count, moment, type Zone } from '../words/format.js';
import { lineOf } from '../words/wanted.js';

const PAGE = 50;

/** Keys of a snapshot by a part of their name, family or project; what is searched stands in the address. */
export function Keys({ id }: { readonly id: string }) {
  const { route } = useDesk();
  const field = useId();
  const [text, setText] = useState(route.query.get('contains') ?? '');
  const of = (name: string): string => route.query.get(name) ?? '';
  const [contains, family, project, key] = [of('contains'), of('family'), of('project'), of('key')];
  const search = (event: Event): void => {
    event.preventDefault();
    go(changed(route, { contains: text, after: null, key: null, search: 'yes' }));
  };
  const isAsked = contains + family + project !== '' || of('search') !== '';
  return (
    <>
      <form class="inline" onSubmit={search}>
        <div class="field">
          <label for={field}>Part of the name</label>
          <input
            id={field}
            type="search"
            value={text}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </div>
        <button type="submit">Search keys</button>
      </form>
      {(family !== '' || project !== '') && (
        <p>
          {family !== '' && `Family ${family}. `}
          {project !== '' && `Project ${project}. `}
          <a href={changed(route, { family: null, project: null, after: null, key: null })}>Of all</a>
        </p>
      )}
      {isAsked && <Found id={id} contains={contains} family={family} project={project} after={of('after')} />}
      {key !== '' && <Value id={id} name={key} />}
    </>
  );
}

interface FoundProps {
  readonly id: string;
  readonly contains: string;
  readonly family: string;
  readonly project: string;
  readonly after: string;
}

function Found({ id, contains, family, project, after }: FoundProps) {
  const { api, route, zone } = useDesk();
  const load = useCallback(
    () => api.keys(id, { contains, family, project, after, limit: PAGE }),
    [api, id, contains, family, project, after],
  );
  const [feed, refresh] = useFeed(load, null);
  return (
    <Fed what="The keys" feed={feed} everyMs={null} onRetry={refresh}>
      {({ keys, next }) => (
        <>
          {keys.length === 0 && <p class="empty">{next === null ? 'No key fits.' : 'None on this page.'}</p>}
          {keys.length > 0 && (
            <Table
              caption="Keys"
              columns={['Key', 'Type', 'Family', '#Elements', '#Size', 'Expires']}
              rows={keys.map((one) => rowOf(one, zone, (name) => changed(route, { key: name })))}
            />
          )}
          <p class="buttons">
            {after !== '' && <a href={changed(route, { after: null })}>First page</a>}
            {next !== null && <a href={changed(route, { after: next })}>Next page</a>}
          </p>
        </>
      )}
    </Fed>
  );
}

function rowOf(
  { key, type, family, elements, bytes: size, expiresAt }: ListedKey,
  zone: Zone,
  to: (name: string) => string,
) {
  const name = keyName(key);
  return {
    key: name,
    cells: [
      <a href={to(name)}>
        <code class="name">{name}</code>
      </a>,
      type,
      family,
      count(elements),
      bytes(size),
      expiresAt === null ? 'never' : moment(expiresAt, zone),
    ],
  };
}

function Value({ id, name }: { readonly id: string; readonly name: string }) {
  const { api, route } = useDesk();
  const load = useCallback(() => api.value(id, name), [api, id, name]);
  const [feed, refresh] = useFeed(load, null);
  return (
    <section class="value" aria-label="Value">
      <h3>
        <code class="name">{name}</code>
      </h3>
      <Fed what="The value" feed={feed} everyMs={null} onRetry={refresh}>
        {({ lines, more }) => (
          <>
            <pre tabIndex={0}>{lines.map((line) => JSON.stringify(line, null, 2)).join('\n')}</pre>
            {more && <p>There is more: download the snapshot to see all of it.</p>}
          </>
        )}
      </Fed>
      <p class="buttons">
        <a href={`#/restore?${new URLSearchParams({ snapshot: id, scope: 'keys', key: lineOf(name) }).toString()}`}>
          Restore this key…
        </a>
        <a href={changed(route, { key: null })}>Close</a>
      </p>
    </section>
  );
}
