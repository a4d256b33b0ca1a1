import { useCallback, useId, useState } from 'preact/hooks';
import type { ListedKey } from '../api/types.js';
import { FeedContent, Table } from '../parts/panel.js';
import { keyName } from '../parts/restore.js';
import { useAppState } from '../state/app-state.js';
import { navigate } from '../state/browser.js';
import { useFeed } from '../state/use-feed.js';
import { changeQuery } from '../words/address.js';
import { bytes, count, formatTimestamp, type Zone } from '../words/format.js';
import { formatKeyLine } from '../words/restore-choices.js';

const PAGE = 50;

/** Searches the keys of a snapshot by name, family or project; the address holds the search. */
export function Keys({ id }: { readonly id: string }) {
  const { route } = useAppState();
  const field = useId();
  const [text, setText] = useState(route.query.get('contains') ?? '');
  const of = (name: string): string => route.query.get(name) ?? '';
  const [contains, family, project, key] = [of('contains'), of('family'), of('project'), of('key')];
  const search = (event: Event): void => {
    event.preventDefault();
    navigate(changeQuery(route, { contains: text, after: null, key: null, search: 'yes' }));
  };
  const isSearched = contains + family + project !== '' || of('search') !== '';
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
          <a href={changeQuery(route, { family: null, project: null, after: null, key: null })}>Show all</a>
        </p>
      )}
      {isSearched && <Found id={id} contains={contains} family={family} project={project} after={of('after')} />}
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
  const { api, route, zone } = useAppState();
  const load = useCallback(
    () => api.keys(id, { contains, family, project, after, limit: PAGE }),
    [api, id, contains, family, project, after],
  );
  const [feed, refresh] = useFeed(load, null);
  return (
    <FeedContent what="The keys" feed={feed} everyMs={null} onRetry={refresh}>
      {({ keys, next }) => (
        <>
          {keys.length === 0 && <p class="empty">{next === null ? 'No key matches.' : 'No match on this page.'}</p>}
          {keys.length > 0 && (
            <Table
              caption="Keys"
              columns={['Key', 'Type', 'Family', '#Elements', '#Size', 'Expires']}
              rows={keys.map((one) => rowOf(one, zone, (name) => changeQuery(route, { key: name })))}
            />
          )}
          <p class="buttons">
            {after !== '' && <a href={changeQuery(route, { after: null })}>First page</a>}
            {next !== null && <a href={changeQuery(route, { after: next })}>Next page</a>}
          </p>
        </>
      )}
    </FeedContent>
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
      expiresAt === null ? 'never' : formatTimestamp(expiresAt, zone),
    ],
  };
}

function Value({ id, name }: { readonly id: string; readonly name: string }) {
  const { api, route } = useAppState();
  const load = useCallback(() => api.value(id, name), [api, id, name]);
  const [feed, refresh] = useFeed(load, null);
  return (
    <section class="value" aria-label="Value">
      <h3>
        <code class="name">{name}</code>
      </h3>
      <FeedContent what="The value" feed={feed} everyMs={null} onRetry={refresh}>
        {({ lines, more }) => (
          <>
            <pre tabIndex={0}>{lines.map((line) => JSON.stringify(line, null, 2)).join('\n')}</pre>
            {more && <p>There is more: download the snapshot to see all of it.</p>}
          </>
        )}
      </FeedContent>
      <p class="buttons">
        <a
          href={`#/restore?${new URLSearchParams({ snapshot: id, scope: 'keys', key: formatKeyLine(name) }).toString()}`}
        >
          Restore this key…
        </a>
        <a href={changeQuery(route, { key: null })}>Close</a>
      </p>
    </section>
  );
}
