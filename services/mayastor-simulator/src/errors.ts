import { defineErrors } from '@couchestor/shared/errors';

export const SimulatorError = defineErrors('SIM', {
  SCENARIO_UNREADABLE: { retry: false, help: 'The scenario file cannot be read. Give --scenario the path of a YAML file.' },
  SCENARIO_INVALID: { retry: false, help: 'The scenario file cannot be used. Correct the fields named and start again.' },
  STATE_FOREIGN: {
    retry: false,
    help: 'The data folder holds a cluster made from another scenario. Delete the folder, or give another --data-dir.',
  },
  STATE_INVALID: { retry: false, help: 'The stored cluster cannot be read. Delete the data folder to begin anew; its volumes are lost.' },
  STATE_BUSY: { retry: false, help: 'Another simulator uses the data folder. Stop it, or give another --data-dir.' },
});
