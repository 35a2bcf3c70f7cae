/** How to log in to an OpenStack cloud, as options. Declaring them loads nothing. */
import { proxyOptions } from '@freezer/proxy/options'
import { declareOptions, type Options } from '@freezer/sdk'

/**
 * An option `osAuthUrl` means what the variable `OS_AUTH_URL` means to every client of OpenStack. What is not given here
 * comes from one of: the file `osrc`, a cloud of `clouds.yaml`, the environment.
 */
export const openstackOptions = declareOptions({
  osrc: {
    type: 'path',
    value: 'FILE',
    help: 'openrc file that says how to log in.\nIt is read, not run: what only a shell could work out is refused.',
  },
  osCloud: { type: 'string', value: 'NAME', help: 'Cloud of clouds.yaml to log in to' },
  osCloudsFile: {
    type: 'path',
    value: 'FILE',
    help: 'clouds.yaml\nWithout it OS_CLIENT_CONFIG_FILE, ./clouds.yaml, ~/.config/openstack/clouds.yaml, /etc/openstack/clouds.yaml.',
  },
  osAuthUrl: {
    type: 'string',
    value: 'URL',
    help: 'Address of Keystone.\nOne that ends with /v1.0 is that of a Swift that keeps its own users.',
  },
  osAuthType: {
    type: 'string',
    value: 'TYPE',
    choices: ['password', 'v3password', 'token', 'v3token', 'v3applicationcredential', 'v1password', 'rc_v1'],
    help: 'What to log in with; without it, what there is',
  },
  osUsername: { type: 'string', value: 'NAME', help: 'User' },
  osUserId: { type: 'string', value: 'ID', help: 'User, by its id' },
  osUserDomainName: { type: 'string', value: 'NAME', help: 'Domain of the user' },
  osUserDomainId: { type: 'string', value: 'ID', help: 'Domain of the user, by its id' },
  osPassword: { type: 'string', secret: true, help: 'Password of the user' },
  osPasswordFile: {
    type: 'path',
    value: 'FILE',
    help: 'File whose first line is the password, or the secret of the application credential',
  },
  osProjectName: { type: 'string', value: 'NAME', help: 'Project' },
  osProjectId: { type: 'string', value: 'ID', help: 'Project, by its id' },
  osProjectDomainName: { type: 'string', value: 'NAME', help: 'Domain of the project' },
  osProjectDomainId: { type: 'string', value: 'ID', help: 'Domain of the project, by its id' },
  osApplicationCredentialId: { type: 'string', value: 'ID', help: 'Application credential' },
  osApplicationCredentialName: {
    type: 'string',
    value: 'NAME',
    help: 'Application credential of the user, by its name',
  },
  osApplicationCredentialSecret: {
    type: 'string',
    secret: true,
    help: 'Secret of the application credential',
  },
  osToken: { type: 'string', secret: true, help: 'Token that was had before; it cannot be renewed' },
  osRegionName: { type: 'string', value: 'NAME', help: 'Region' },
  osInterface: {
    type: 'string',
    value: 'NAME',
    choices: ['public', 'internal', 'admin'],
    help: 'Which address of a service: public, internal or admin; public unless said',
  },
  osCacert: {
    type: 'path',
    value: 'FILE',
    help: 'Certificates of the authorities to trust, instead of those that Node brings',
  },
  insecure: {
    type: 'boolean',
    help: 'Believe any certificate; whoever is in between can read and change all',
  },
  osTimeout: {
    type: 'duration',
    default: 60_000,
    min: 1000,
    max: 86_400_000,
    help: 'How long a service may stay silent',
  },
  ...proxyOptions,
})

export type OpenstackOptions = Options<typeof openstackOptions>
