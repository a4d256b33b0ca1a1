/** Requests and answers of the HTTP API, typed by the server code. */

import type { Deployment } from '../../lib/app/connect/database.js';
import type { DiffView, KeyValue, SnapshotDetail, SnapshotKeys as KeyPage } from '../../lib/http/inspect.js';
import type { ReindexOrder } from '../../lib/http/reindex.js';
import type { RestoreOrder } from '../../lib/http/restore.js';
import type { RunPage } from '../../lib/http/runs.js';
import type { RunView, StartedView as Started } from '../../lib/http/run-view.js';
import type { ListedSnapshot, SnapshotList as Listed } from '../../lib/http/snapshots.js';
import type { PublicStatus } from '../../lib/http/status.js';
import type { KeyChange } from '../../lib/inspect/diff.js';
import type { ListedKey } from '../../lib/inspect/list.js';
import type { AlertFigures } from '../../lib/monitoring/status/figures.js';
import type { ProjectFigures, ProjectRow } from '../../lib/monitoring/projects.js';
import type { Answer } from '../../lib/monitoring/status/answers.js';
import type { CheckFigures, StatusReport } from '../../lib/monitoring/status/report.js';
import type { RestoredResult } from '../../lib/restore/result.js';
import type { Mode, Scope } from '../../lib/restore/model.js';
import type { Plan, Tally } from '../../lib/restore/plan.js';
import type { RunState } from '../../lib/runs/model.js';
import type { RunSummary } from '../../lib/runs/summary.js';
import type { RunCost } from '../../lib/runs/traits.js';
import type { SnapshotState } from '../../lib/snapshot/trust.js';

export type {
  AlertFigures,
  Answer,
  CheckFigures,
  Deployment,
  DiffView,
  KeyChange,
  KeyPage,
  KeyValue,
  ListedKey,
  ListedSnapshot,
  Mode,
  Plan,
  ProjectRow,
  PublicStatus,
  ReindexOrder,
  RestoredResult,
  RestoreOrder,
  RunCost,
  RunPage,
  RunState,
  RunSummary,
  RunView,
  Scope,
  SnapshotDetail,
  SnapshotState,
  Started,
  Tally,
};

/** `GET /api/status` with the admin token. */
export type Status = StatusReport & { readonly deployment: Deployment };
/** `GET /api/snapshots`. */
export type SnapshotList = Listed & { readonly deployment?: Deployment };
/** `GET /api/status?view=projects`. */
export type ProjectList = ProjectFigures & { readonly deployment?: Deployment };

/** The scope of a re-index, and of a restore of one project or of everything. */
export type WholeScope = { readonly all: true } | { readonly project: string };
