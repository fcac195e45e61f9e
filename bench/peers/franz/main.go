// franz-go for the benchmark: one run of one kind of work, what it used as one line of JSON.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic      = "bench"
	valueBytes = 100
	openMax    = 100_000
)

type usage struct {
	CPU  int64 `json:"cpu_ns"`
	Wall int64 `json:"wall_ns"`
	Peak int64 `json:"peak_kb"`
}

func main() {
	work, brokers, codec := os.Args[1], os.Args[2], os.Args[5]
	partitions, messages := number(os.Args[3]), number(os.Args[4])
	cpu, started := cpuTime(), time.Now()
	switch work {
	case "produce":
		produce(brokers, codec, partitions, messages)
	case "consume":
		consume(brokers, partitions, messages)
	case "latency":
		latency(brokers, messages)
		return
	}
	print(usage{cpuTime() - cpu, time.Since(started).Nanoseconds(), peak()})
}

func producer(brokers, codec string, linger time.Duration) *kgo.Client {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(),
		"lz4":  kgo.Lz4Compression(),
		"zstd": kgo.ZstdCompression(),
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(128*1024),
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.MaxBufferedBytes(32*1024*1024),
		kgo.MaxBufferedRecords(openMax),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	check(err)
	return client
}

// Every delivery is a promise and is waited for; the client keeps at most openMax open.
func produce(brokers, codec string, partitions, messages int64) {
	client := producer(brokers, codec, 5*time.Millisecond)
	values := values()
	var open sync.WaitGroup
	open.Add(int(messages))
	settle := func(_ *kgo.Record, err error) {
		check(err)
		open.Done()
	}
	for n := int64(0); n < messages; n++ {
		record := &kgo.Record{Topic: topic, Partition: int32(n % partitions), Value: values(n)}
		client.Produce(context.Background(), record, settle)
	}
	open.Wait()
	client.Close()
}

// Values are cut from larger pieces of memory: franz-go keeps them until they are sent.
func values() func(int64) []byte {
	var piece []byte
	return func(n int64) []byte {
		if len(piece) < valueBytes {
			piece = make([]byte, valueBytes*1000)
			for i := range piece {
				piece[i] = 'a' + byte(i%valueBytes%26)
			}
		}
		value := piece[:valueBytes:valueBytes]
		piece = piece[valueBytes:]
		binary.BigEndian.PutUint64(value, uint64(n))
		return value
	}
}

func consume(brokers string, partitions, messages int64) {
	offsets := map[int32]kgo.Offset{}
	for n := int64(0); n < partitions; n++ {
		offsets[int32(n)] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
	)
	check(err)
	var read, bytes int64
	for read < messages {
		context, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		fetches := client.PollFetches(context)
		cancel()
		for _, problem := range fetches.Errors() {
			check(problem.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			read++
			bytes += int64(len(record.Key) + len(record.Value))
		})
	}
	if bytes == 0 {
		check(fmt.Errorf("all messages were empty"))
	}
	client.Close()
}

// One record after another, each awaited; prints the times in nanoseconds, one a line.
func latency(brokers string, messages int64) {
	client := producer(brokers, "none", 0)
	value := values()
	var lines strings.Builder
	for n := int64(0); n < messages; n++ {
		started := time.Now()
		record := &kgo.Record{Topic: topic, Partition: 0, Value: value(n)}
		check(client.ProduceSync(context.Background(), record).FirstErr())
		fmt.Fprintln(&lines, time.Since(started).Nanoseconds())
	}
	client.Close()
	os.Stdout.WriteString(lines.String())
}

func cpuTime() int64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return used.Utime.Nano() + used.Stime.Nano()
}

func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			return number(strings.TrimSpace(strings.TrimSuffix(rest, "kB")))
		}
	}
	return 0
}

func number(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	check(err)
	return number
}

func print(used usage) {
	check(json.NewEncoder(os.Stdout).Encode(used))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
