/** Whether Kubernetes knows our resources and lets our services at them. */
import { amiss, type Check, count, ok, overSeen } from '../check.ts';

export const crdsInstalled: Check = {
  id: 'crds',
  asks: 'Are our CustomResourceDefinitions installed, Established, and of our version?',
  judge: ({ crds }) =>
    overSeen(crds, (all) => {
      const details = all.flatMap(({ name, state }) =>
        state === undefined
          ? [`${name} is not installed`]
          : !state.servesOurs
            ? [`${name} does not serve and store v1`]
            : state.established
              ? []
              : [`${name} is not Established`],
      );
      if (details.length === 0) {
        return ok(`${all.map(({ name }) => name).join(' and ')} are Established`);
      }
      // Without any of them policies may be files: nothing is half done.
      const nothing = all.every(({ state }) => state === undefined);
      return amiss(nothing ? 'warning' : 'problem', {
        finding: nothing
          ? 'none is installed, as --policy-source kubernetes needs them'
          : `${details.length} of ${all.length} cannot be used`,
        details,
        cure: 'kubectl apply -f deploy/crds',
      });
    }),
};

export const rightsGiven: Check = {
  id: 'rights',
  asks: 'May the services do in Kubernetes what they need to (`rbac.yaml` of each in deploy/base)?',
  judge: ({ rights }) =>
    overSeen(rights, ({ ofServices, accounts }) => {
      const cure = 'apply the manifests again, which hold the accounts and their roles: deploy/operator.yaml, or your overlay';
      const details = accounts.flatMap(({ account, missing }) => missing.map((right) => `${account}: ${right}`));
      const asked = accounts.reduce((sum, account) => sum + account.asked, 0);
      if (!ofServices) {
        const whose = 'of the account in use, as it may not ask for others';
        return details.length === 0
          ? ok(`${asked} rights ${whose}`)
          : amiss('warning', {
              finding: `${details.length} of ${asked} rights are missing, ${whose}`,
              details,
              cure: 'run it as somebody with the ClusterRole couchestor-doctor, which may ask for the accounts of the services',
            });
      }
      // One process or several: an account without any of its rights is not in use.
      const used = accounts.filter(({ missing, asked: needed }) => missing.length < needed);
      const lacking = used.filter(({ missing }) => missing.length > 0);
      if (used.length === 0) {
        return amiss('problem', {
          finding: 'no account of a service has any of its rights',
          details: accounts.map(({ account }) => account),
          cure,
        });
      }
      return lacking.length === 0
        ? ok(`${used.map(({ account, asked: needed }) => `${account} has its ${needed}`).join(', ')}`)
        : amiss('problem', {
            finding: `${count(lacking.length, 'account')} of ${used.length} in use without all rights`,
            details: lacking.flatMap(({ account, missing }) => missing.map((right) => `${account} may not ${right}`)),
            cure,
          });
    }),
};
