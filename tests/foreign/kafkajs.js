// kafkajs: each codec it has (none, gzip, and snappy by an add-on), with keys and headers, through a group that goes on
// where it committed.
//
// Usage: NODE_PATH=... node kafkajs.js BOOTSTRAP. Ends with status 0 if every record came back as it was sent.
'use strict'

const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

const COUNT = 1000
const LIMIT_MS = 60000

async function main(bootstrap) {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR })
  const admin = kafka.admin()
  await admin.connect()
  for (const codec of ['None', 'GZIP', 'Snappy']) {
    const topic = `kafkajs-${codec}`
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })
    await produce(kafka, topic, CompressionTypes[codec])
    const first = await consume(kafka, topic, COUNT / 2)
    const rest = await consume(kafka, topic, COUNT - first.length)
    const found = [...first, ...rest].sort()
    const expected = Array.from({ length: COUNT }, (_, i) => `key ${i}=value ${i} n=${i}`).sort()
    if (found.join() !== expected.join()) throw new Error(`${codec}: ${first.length} + ${rest.length} records`)
  }
  await admin.deleteTopics({ topics: ['kafkajs-None'] })
  await admin.disconnect()
}

async function produce(kafka, topic, compression) {
  const producer = kafka.producer()
  await producer.connect()
  for (let from = 0; from < COUNT; from += 100) {
    const messages = []
    for (let i = from; i < from + 100; i++) {
      messages.push({ key: `key ${i}`, value: `value ${i}`, headers: { n: `${i}` } })
    }
    await producer.send({ topic, compression, acks: -1, messages })
  }
  await producer.disconnect()
}

// At least `count` records; commits exactly what it returns, and leaves the group.
async function consume(kafka, topic, count) {
  const consumer = kafka.consumer({ groupId: topic })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const records = []
  const next = {}
  let timer
  await new Promise((done, failed) => {
    timer = setTimeout(() => failed(new Error(`${records.length} of ${count} records of ${topic}`)), LIMIT_MS)
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (records.length >= count) return
        records.push(`${message.key}=${message.value} n=${message.headers.n}`)
        next[partition] = Number(message.offset) + 1
        if (records.length === count) done()
      },
    })
  })
  clearTimeout(timer)
  await consumer.commitOffsets(
    Object.entries(next).map(([partition, offset]) => ({ topic, partition: Number(partition), offset: `${offset}` })),
  )
  await consumer.disconnect()
  return records
}

main(process.argv[2]).catch((error) => {
  console.error(error)
  process.exit(1)
})
