/** The generated pages and manifests by their path from the root of the repository; deploy/operator.yaml is made of them afterwards. */
import { generatedManifests } from '../manifests/files.ts';
import { configurationPage } from './configuration.ts';
import { crdFiles } from './crds.ts';
import { customResourcesPage } from './custom-resources.ts';
import { doctorPage } from './doctor.ts';
import { errorsPage } from './errors.ts';
import { eventsPage } from './events.ts';
import { faultTablePage } from './fault-table.ts';
import { metricsPage } from './metrics.ts';
import { rbacFiles } from './rbac.ts';

export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/events.md', eventsPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/doctor.md', doctorPage()],
    ['docs/errors.md', await errorsPage()],
    ['docs/fault-table.md', faultTablePage()],
    ['docs/metrics.md', metricsPage()],
    ['docs/custom-resources.md', customResourcesPage()],
    ...crdFiles(),
    ...rbacFiles(),
    ...generatedManifests(),
  ]);
}
