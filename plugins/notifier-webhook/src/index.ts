import { declareNotifier, type Plugin } from '@freezer/sdk'

/** Posts the report of a run to a web address, as JSON. */
export const webhook = declareNotifier({
  name: 'webhook',
  description: 'Posts how the run ended to a web address, as JSON',
  options: {
    webhookUrl: {
      type: 'string',
      secret: true,
      required: true,
      value: 'URL',
      help: 'Where to post to; whoever knows it can post there too',
    },
    webhookTokenFile: {
      type: 'path',
      value: 'FILE',
      help: 'File whose first line is sent as "Authorization: Bearer …"',
    },
  },
  async notify(report, { webhookUrl, webhookTokenFile }, context) {
    const [{ post }, { readToken }] = await Promise.all([import('./post.ts'), import('./token.ts')])
    const token = webhookTokenFile === undefined ? undefined : await readToken(webhookTokenFile)
    await post({ url: webhookUrl, token, body: JSON.stringify(report) }, context.signal)
  },
})

export default { notifiers: [webhook] } satisfies Plugin
