import org.apache.kafka.clients.producer.*; import java.util.*;
public class Fill { public static void main(String[] a) throws Exception {
 String bs=a[0], topic=a[1]; int rounds=Integer.parseInt(a[2]); boolean old=a.length>3;
 int n=0;
 for (String codec : old? new String[]{"none","gzip","snappy","lz4"} : new String[]{"none","gzip","snappy","lz4","zstd"}) {
  Properties p=new Properties(); p.put("bootstrap.servers",bs); p.put("compression.type",codec); p.put("linger.ms","20"); p.put("enable.idempotence", old?"false":"true");
  p.put("key.serializer","org.apache.kafka.common.serialization.StringSerializer"); p.put("value.serializer","org.apache.kafka.common.serialization.StringSerializer");
  try (KafkaProducer<String,String> k=new KafkaProducer<>(p)) { for (int r=0;r<rounds;r++){ for(int i=0;i<50;i++){ ProducerRecord<String,String> rec=new ProducerRecord<>(topic,null,1600000000000L+n,"k"+n,"value "+codec+" "+n); if(!old && i%10==0) rec.headers().add("h",("x"+n).getBytes()); k.send(rec); n++; } k.flush(); } }
 }
 if(!old){ Properties p=new Properties(); p.put("bootstrap.servers",bs); p.put("transactional.id","tx"); p.put("key.serializer","org.apache.kafka.common.serialization.StringSerializer"); p.put("value.serializer","org.apache.kafka.common.serialization.StringSerializer");
  try (KafkaProducer<String,String> k=new KafkaProducer<>(p)) { k.initTransactions(); for(int r=0;r<6;r++){ k.beginTransaction(); for(int i=0;i<5;i++) k.send(new ProducerRecord<>(topic,null,1600000000000L+n,"k"+n,"txn "+r+" "+(n++))); k.flush(); if(r%2==0) k.abortTransaction(); else k.commitTransaction(); } } }
 System.out.println("sent "+n);
}}
